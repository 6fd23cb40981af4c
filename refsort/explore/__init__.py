"""Words and pictures of one space: phrases, similarity tables, maps, search, duplicates. Computes; draws nothing."""
