#define PERSIST_TEST_MAKES
#include <support/made_backends.hpp>

PERSIST_FILE_TEMPLATES();
PERSIST_ENGINE_TEMPLATES(, test::InMemory);
PERSIST_ENGINE_TEMPLATES(, test::OnFile);
