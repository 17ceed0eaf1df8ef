#include <support/profiles.hpp>

#include <persist/persist.hpp>

// What a unit costs that stores the medium profile: the first, and each more where the templates
// are made once.
using Players = persist::Store<std::uint64_t, bench::Medium>;

#ifdef BENCH_MADE_ELSEWHERE
PERSIST_STORE_TEMPLATES(extern, Players);
PERSIST_ENGINE_TEMPLATES(extern, Players);
PERSIST_FILE_TEMPLATES(extern);
#endif

int main() {
  Players players{"Players", persist::backend::File{"save"}};
  auto session = players.load(1);
  if (!session) return 1;
  session->edit()->coins += 1;
  return session->release() ? 0 : 1;
}
