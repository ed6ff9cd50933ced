"""Tests on booted machines: Debian in a container with a systemd of its own. `make test-deploy` runs them; they need root."""
