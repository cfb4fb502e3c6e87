"""Pictures of what the upsamplers of a model do on a picture, and the page that shows them."""
