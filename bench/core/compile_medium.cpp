#include <support/profiles.hpp>

#include <persist/persist.hpp>

// What a unit costs that stores the medium profile.
int main() {
  persist::Store<std::uint64_t, bench::Medium> players{"Players", persist::backend::File{"save"}};
  auto session = players.load(1);
  if (!session) return 1;
  session->edit()->coins += 1;
  return session->release() ? 0 : 1;
}
