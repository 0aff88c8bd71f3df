;; expect: fuel limit: 1000000000 allowed, all used
;;
;; Answers that all is clean, and then does not end.
(module
  (@custom "chitin-manifest" "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n")
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "audit") (param i32) (result i32) (i32.const 1024))
  (func (export "cabi_post_audit") (param i32) (loop (br 0)))
)
