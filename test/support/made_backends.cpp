#include <support/made_backends.hpp>

PERSIST_ENGINE_TEMPLATES(, test::InMemory);
PERSIST_ENGINE_TEMPLATES(, test::OnFile);
