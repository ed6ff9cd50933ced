"""The network doors, configuration, command line and wiring: the only place that names concrete classes."""
