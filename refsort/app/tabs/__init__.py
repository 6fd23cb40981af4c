"""The tabs of the page, one file each: what Gradio shows, and where the scripts in static/ have their place."""
