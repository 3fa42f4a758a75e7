"""Images as a source of data: folders, archives, torchvision's layouts."""
