"""A net and pictures in, weights out. torch and lightning_fabric are imported when training begins."""
