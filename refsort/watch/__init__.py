"""The drop-folder daemon: waits for pictures to be whole, and sorts them."""
