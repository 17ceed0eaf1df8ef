#pragma once

#include <persist/testing/laws/backend.hpp>

#include <gtest/gtest.h>

#include <cctype>

// The laws as GoogleTest cases, one a law, named after its sentence.

namespace persist_test {

inline std::string case_name(std::string_view sentence) {
  std::string name;
  bool upper = true;
  for (const char c : sentence) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      upper = c != '\'';
      continue;
    }
    name.push_back(upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c);
    upper = false;
  }
  return name;
}

/// `make(clock)` gives a fresh backend.
template <class B, class Make>
int register_laws(const char* suite, Make make) {
  struct Case : testing::Test {
    Case(persist::testing::BackendLaw<B> one, Make maker) : law(one), make(maker) {}
    void TestBody() override {
      persist::testing::ManualClock clock;
      B backend = make(clock);
      const auto report = law(backend, clock);
      EXPECT_TRUE(report.passed()) << law.sentence << "\n" << report.text();
    }
    persist::testing::BackendLaw<B> law;
    Make make;
  };
  int count = 0;
  for (const auto& law : persist::testing::backend_laws<B>()) {
    testing::RegisterTest(suite, case_name(law.sentence).c_str(), nullptr, nullptr, __FILE__,
                          __LINE__,
                          [law, make]() -> testing::Test* { return new Case(law, make); });
    ++count;
  }
  return count;
}

/// All of them in one case, for a backend whose server takes a while to start: each case is a
/// process of its own.
template <class B, class Make>
void run_laws(Make make) {
  for (const auto& law : persist::testing::backend_laws<B>()) {
    persist::testing::ManualClock clock;
    B backend = make(clock);
    const auto report = law(backend, clock);
    EXPECT_TRUE(report.passed()) << law.sentence << "\n" << report.text();
  }
}

}  // namespace persist_test
