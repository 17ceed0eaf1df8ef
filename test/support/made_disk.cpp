#include <support/made_disk.hpp>

PERSIST_FILE_TEMPLATES();
PERSIST_TEST_DISK_TEMPLATES();
