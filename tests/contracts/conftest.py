"""The published suite of pyserial is loaded by `test_pyserial_suite.py`, for each port; it is not collected on its own."""

collect_ignore_glob = ["pyserial_3_5/*"]
