#include <support/made_day.hpp>

PERSIST_STORE_TEMPLATES(, test::DayPlayers);
