"""`./run reference`."""

import os

import django

from config import reference

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("COUNTERSIGN_DEMO", "1")  # no secrets of the installation are needed to look at code
django.setup()
reference.write()
