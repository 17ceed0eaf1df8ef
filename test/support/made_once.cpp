#define PERSIST_TEST_MAKES
#include <support/world.hpp>

PERSIST_STORE_TEMPLATES(, test::Players);
PERSIST_ENGINE_TEMPLATES(, test::Players);
