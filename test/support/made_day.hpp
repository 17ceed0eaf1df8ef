#pragma once

#include "../../example/day/servers.hpp"
#include <support/made_backends.hpp>

// The stores of the day's game in memory, made once in made_day.cpp.

namespace test {
using DayPlayers = day::Servers<persist::backend::Memory>::Players;
}

#ifndef PERSIST_TEST_MAKES
PERSIST_STORE_TEMPLATES(extern, test::DayPlayers);
#endif
