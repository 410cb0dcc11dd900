"""What a reconstruction is judged by: numbers of pairs, of sets of pictures, and their spread."""
