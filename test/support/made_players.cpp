#define PERSIST_TEST_MAKES
#include <support/made_players.hpp>

PERSIST_STORE_TEMPLATES(, persistctl::PlayersInMemory);
PERSIST_STORE_TEMPLATES(, persistctl::PlayersOnFile);
