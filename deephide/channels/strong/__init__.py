"""Strong mode: stegos that survive resizing, cropping and other codecs too, plain to detectors."""
