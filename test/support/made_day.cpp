#define PERSIST_TEST_MAKES
#include <support/made_day.hpp>

PERSIST_STORE_TEMPLATES(, test::DayPlayers);
