"""Reading and writing of images and video: one decoder for all uses."""
