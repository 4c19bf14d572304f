use groktime::ridge::*; use groktime::linalg::*; use std::time::Instant;
fn main(){
  for (r,set) in [(Recipe{features:Features::Fourier{input_dim:10,frequency_variance:1.0,input_variance:0.1},teacher:Teacher::FourierFeature,width:2000,..Default::default()},Settings{weight_decay:1e-4,..Default::default()}),
   (Recipe{features:Features::Relu{input_dim:100,hidden_variance:1.0,input_variance:1.0},teacher:Teacher::ReluNeuron,width:2000,..Default::default()},Settings{weight_decay:1e-5,..Default::default()})] {
  let t=Instant::now(); let i=r.draw().unwrap(); println!("draw {:?}",t.elapsed());
  let t=Instant::now(); let p=i.problem(); let s=p.spectrum(Engine::PARALLEL).unwrap(); println!("spectrum {:?}",t.elapsed());
  let t=Instant::now(); let d=s.descent(&set).unwrap(); println!("descent {:?}",t.elapsed());
  let t=Instant::now(); let a=d.last_unfit(0.01).unwrap(); println!("t1 {:?} {:?}",a,t.elapsed());
  for c in [0.3,0.1,0.01] {let t=Instant::now(); let a=d.first_general(c); println!("t2 {c} {:?} {:?}",a,t.elapsed());}
  let t=Instant::now(); for k in 0..100 { d.test_loss(k*1000); } println!("100 evals {:?}",t.elapsed());
  }
}
