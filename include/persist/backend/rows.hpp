#pragma once

#include <persist/backend/rows/engine.hpp>

// What the backends over a database of rows have in common: which tables there are, what each
// operation does to them, and how a record's head is spelled in columns. A database gives a struct
// `Sql` with
//   Connection   remembers the first thing that went wrong and then does nothing more until it is
//                told to go on: good(), refuse(error), damaged(what), path(), fresh_id(),
//                inserted_id();
//   Statement    a text with ?1, ?2, …, kept by the connection;
//   Query        one use of a statement: << binds, row() steps, run() has no rows, changed()
//   counts; Time         now(), wall() and judge(head, now), which may end the lease of who is
//   gone; for_update   what is said behind a SELECT that a write follows; remembers_rows   whether
//   the connection keeps rows: known(store, key), remember, forget.
//   Packed       reads rows of other tables that came along with a record's, where it keeps rows;
//   others_post      whether records may come in by other programs, which know no epochs.
