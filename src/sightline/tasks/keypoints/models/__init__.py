"""Methods of keypoints, one file each with CARD and MODEL."""
