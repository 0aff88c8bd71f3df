;; expect: trapped: string pointer/length out of bounds of memory
;;
;; Its words lie outside of its memory.
(module
  (@custom "chitin-manifest" "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n")
  (memory (export "memory") 2)
  (data (i32.const 1024) "\01\00\00\00\00\00\00\00\f0\ff\ff\ff\64\00\00\00")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "audit") (param i32) (result i32) (i32.const 1024))
)
