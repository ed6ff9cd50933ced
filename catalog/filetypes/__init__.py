"""What kinds of files there are: recognise, read, name. One small module a family.

May live here: what a file type means. Not: what is allowed, where bytes lie.
"""
