#pragma once

// The store of world.hpp, which includes this at its end, is made once for all units that test with
// it: in made_once.cpp.

#ifndef PERSIST_TEST_MAKES
PERSIST_STORE_TEMPLATES(extern, test::Players);
PERSIST_ENGINE_TEMPLATES(extern, test::Players);
#endif
