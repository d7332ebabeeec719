;; Returns, and loops for ever when the host has taken the result.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "attack") (result i32) (i32.const 8))
    (func (export "after") (param i32) (loop $l (br $l))))
  (core instance $i (instantiate $m))
  (func (export "attack") (result string)
    (canon lift (core func $i "attack") (memory (core memory $i "memory")) (post-return (core func $i "after")))))
