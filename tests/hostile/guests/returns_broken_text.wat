;; expect: trapped: invalid utf-8 sequence of 1 bytes from index 0
;;
;; Its words are no UTF-8.
(module
  (@custom "chitin-manifest" "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n")
  (memory (export "memory") 2)
  (data (i32.const 1024) "\01\00\00\00\00\00\00\00\00\08\00\00\04\00\00\00")
  (data (i32.const 2048) "\ff\fe\fd\fc")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "audit") (param i32) (result i32) (i32.const 1024))
)
