"""How alike, how important and how dispersed the filters of a layer are."""
