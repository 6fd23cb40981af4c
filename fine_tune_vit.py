"""Fine-tune a vision transformer on what was sorted and confirmed. Comes with fine-tuning."""

import sys

if __name__ == "__main__":
    sys.exit("fine-tuning is not part of this version yet; classify_images.py sorts with the references as they are")
