"""What can be done with codes and pictures: the paper's Algorithms 2 to 6, and editing."""
