"""The web page: everything refsort does, for people who would rather look than type."""
