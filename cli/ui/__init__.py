"""The local web page of `deephide ui`: a server on the loopback interface, and its static files."""
