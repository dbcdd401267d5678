"""How training pictures are changed at random, a different way in each epoch."""
