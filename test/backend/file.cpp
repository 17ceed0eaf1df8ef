#include <persist/backend/file.hpp>

#include "backend/law_cases.hpp"

#include <filesystem>

namespace {

using persist::backend::File;
using persist::backend::FileOptions;

static_assert(persist::transactional_backend<File>);
static_assert(persist::watched_backend<File>);

/// A folder that is gone when the test ends.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "persist-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

const int laws = persist_test::register_laws<File>(
    "LawsOnFile",
    [folder = std::shared_ptr<Folder>()](persist::testing::ManualClock& clock) mutable {
      folder = std::make_shared<Folder>();
      return File(*folder / "save", FileOptions{.clock = &clock});
    });

TEST(File, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(laws), persist::testing::backend_laws<File>().size());
}

}  // namespace
