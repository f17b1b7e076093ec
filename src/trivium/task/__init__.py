"""Tasks: what is to be learned from labelled data, declared once for every way of doing it.

`declaration` holds what a recipe says, `items` what the data is once read, `tags` the schemes of tagged words. Nothing is
imported here.
"""
