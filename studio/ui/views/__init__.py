"""What the screens show, as plain functions from values to text and HTML. Nothing here imports gradio."""
