#pragma once

#include <persist/persist.hpp>

// What stores share that lie in the two backends as they are, made once in made_backends.cpp.

namespace test {
using InMemory = persist::Store<std::uint64_t, int, persist::backend::Memory>;
using OnFile = persist::Store<std::uint64_t, int, persist::backend::File>;
}  // namespace test

#ifndef PERSIST_TEST_MAKES
PERSIST_FILE_TEMPLATES(extern);
PERSIST_ENGINE_TEMPLATES(extern, test::InMemory);
PERSIST_ENGINE_TEMPLATES(extern, test::OnFile);
#endif
