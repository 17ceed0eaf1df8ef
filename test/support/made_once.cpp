#define PERSIST_TEST_MAKES
#include <support/world.hpp>

PERSIST_TEST_MADE_ONCE()
