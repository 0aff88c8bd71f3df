;; expect: trapped: cannot leave component instance
;;
;; Calls the runner while the runner gives it its input.
(module
  (@custom "chitin-manifest" "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n")
  (import "chitin:policy/gateway@1.0.0" "probe" (func $probe (param i32)))
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $probe (i32.const 1024)) (i32.const 4096))
  (func (export "audit") (param i32) (result i32) (unreachable))
)
