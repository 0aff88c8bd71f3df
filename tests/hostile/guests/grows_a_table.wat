;; expect: table elements limit: 100000 allowed, 100001 asked for
;;
;; Grows a table one element after the other.
(module
  (@custom "chitin-manifest" "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n")
  (memory (export "memory") 2)
  (table $table 1 funcref)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "audit") (param i32) (result i32)
    (loop (drop (table.grow $table (ref.null func) (i32.const 1))) (br 0))
    (unreachable))
)
