;; Grows its memory by 4 GiB in one step.
(component
  (core module $m
    (memory 1)
    (func (export "attack") (result i32) (memory.grow (i32.const 65535))))
  (core instance $i (instantiate $m))
  (func (export "attack") (result s32) (canon lift (core func $i "attack"))))
