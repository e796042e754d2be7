"""TabICL for mm: the training rows are the context of a pretrained network; nothing is trained."""
