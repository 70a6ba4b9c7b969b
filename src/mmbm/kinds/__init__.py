"""A folder for each kind of cell, with everything the product knows of it."""
