"""One module for each family of figures; `bench.__main__` lists them."""
