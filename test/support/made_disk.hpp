#pragma once

#include <persist/backend/file.hpp>

#include <support/disk.hpp>

// The embedded backend, on real files and on the disk of the tests, made once in made_disk.cpp.

#define PERSIST_TEST_DISK_TEMPLATES(prefix)                                       \
  PERSIST_TEMPLATE(prefix, persist::backend::file::Database<persist_test::Disk>); \
  PERSIST_TEMPLATE(prefix, persist::backend::BasicFile<persist_test::Disk>)

#ifdef PERSIST_TEST_MADE_ONCE
PERSIST_FILE_TEMPLATES(extern);
PERSIST_TEST_DISK_TEMPLATES(extern);
#endif
