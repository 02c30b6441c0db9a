"""Losses: of detection, of knowledge distillation, and of semantic segmentation."""
