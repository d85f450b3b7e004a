"""Reading and writing of images, videos and pose files."""
