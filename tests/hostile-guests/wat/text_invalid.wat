;; Returns a text that is not UTF-8.
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 16) "\ff\fe")
    (func (export "attack") (result i32)
      (i32.store (i32.const 8) (i32.const 16))
      (i32.store (i32.const 12) (i32.const 2))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (func (export "attack") (result string)
    (canon lift (core func $i "attack") (memory (core memory $i "memory")))))
