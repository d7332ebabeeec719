;; Returns a list of numbers at an odd address.
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 16) "x")
    (func (export "attack") (result i32)
      (i32.store (i32.const 8) (i32.const 17))
      (i32.store (i32.const 12) (i32.const 4))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (func (export "attack") (result (list u32))
    (canon lift (core func $i "attack") (memory (core memory $i "memory")))))
