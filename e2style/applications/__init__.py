"""Applications of codes and images: the paper's Algorithms 2 to 6, and editing."""
