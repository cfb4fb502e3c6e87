// One more whenever a function's arguments change: a library built before is then not used.
extern "C" int mmdyup_interface() { return 1; }
