;; expect: fuel limit: 1000000000 allowed, all used
;;
;; Does not end before its audit even begins.
(module
  (@custom "chitin-manifest" "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n")
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $start (loop (br 0)))
  (start $start)
  (func (export "audit") (param i32) (result i32) (unreachable))
)
